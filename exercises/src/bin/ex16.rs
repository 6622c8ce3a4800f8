//! Judges `16_backpressure/todo.rs`.

#[path = "../../16_backpressure/todo.rs"]
pub mod answer;
#[path = "../../16_backpressure/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
