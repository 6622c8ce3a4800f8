//! Judges `15_dripping_client/todo.rs`.

#[path = "../../15_dripping_client/todo.rs"]
pub mod answer;
#[path = "../../15_dripping_client/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
