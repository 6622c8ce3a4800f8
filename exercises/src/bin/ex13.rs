//! Judges `13_budget/todo.rs`.

#[path = "../../13_budget/todo.rs"]
pub mod answer;
#[path = "../../13_budget/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
