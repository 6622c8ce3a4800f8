//! Judges `04_select_sets/todo.rs`.

#[path = "../../04_select_sets/todo.rs"]
pub mod answer;
#[path = "../../04_select_sets/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
