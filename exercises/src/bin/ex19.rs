//! Judges `19_driver/todo.rs`.

#[path = "../../19_driver/todo.rs"]
pub mod answer;
#[path = "../../19_driver/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
