//! Judges `07_drain/todo.rs`.

#[path = "../../07_drain/todo.rs"]
pub mod answer;
#[path = "../../07_drain/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
