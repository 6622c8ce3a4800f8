//! Judges `20_datagram/todo.rs`.

#[path = "../../20_datagram/todo.rs"]
pub mod answer;
#[path = "../../20_datagram/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
