//! Judges `14_lingering_close/todo.rs`.

#[path = "../../14_lingering_close/todo.rs"]
pub mod answer;
#[path = "../../14_lingering_close/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
