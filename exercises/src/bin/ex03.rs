//! Judges `03_partial_write/todo.rs`.

#[path = "../../03_partial_write/todo.rs"]
pub mod answer;
#[path = "../../03_partial_write/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
