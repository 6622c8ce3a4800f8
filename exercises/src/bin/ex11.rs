//! Judges `11_emfile/todo.rs`.

#[path = "../../11_emfile/todo.rs"]
pub mod answer;
#[path = "../../11_emfile/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
