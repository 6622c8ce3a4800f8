//! Judges `09_data_and_fin/todo.rs`.

#[path = "../../09_data_and_fin/todo.rs"]
pub mod answer;
#[path = "../../09_data_and_fin/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    exercises::judge::main(check::check)
}
