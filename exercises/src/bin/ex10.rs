//! Judges `10_accept_edge/todo.rs`.

#[path = "../../10_accept_edge/todo.rs"]
pub mod answer;
#[path = "../../10_accept_edge/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
