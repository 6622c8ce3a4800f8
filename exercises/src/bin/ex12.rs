//! Judges `12_stale_token/todo.rs`.

#[path = "../../12_stale_token/todo.rs"]
pub mod answer;
#[path = "../../12_stale_token/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
