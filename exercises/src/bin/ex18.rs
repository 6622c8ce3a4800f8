//! Judges `18_selector/todo.rs`.

#[path = "../../18_selector/todo.rs"]
pub mod answer;
#[path = "../../18_selector/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
