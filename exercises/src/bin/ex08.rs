//! Judges `08_work_taken/todo.rs`.

#[path = "../../08_work_taken/todo.rs"]
pub mod answer;
#[path = "../../08_work_taken/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
