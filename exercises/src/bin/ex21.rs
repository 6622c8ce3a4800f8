//! Judges `21_silent_client/todo.rs`.

#[path = "../../21_silent_client/todo.rs"]
pub mod answer;
#[path = "../../21_silent_client/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
