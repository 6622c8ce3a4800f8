//! What README, www and the comments say about epoll(7) and TCP is what this kernel does: the rules
//! of `cargo bench --bench facts`, each compared with what it must show.

#![expect(
    clippy::disallowed_methods,
    reason = "an experiment has both ends of a connection"
)]

#[path = "../../benches/facts/rules.rs"]
mod rules;
#[path = "../../benches/facts/tools.rs"]
mod tools;

#[test]
fn the_kernel_does_what_the_texts_say() {
    for (name, experiment, expected) in rules::RULES {
        assert_eq!(experiment(), *expected, "{name}");
    }
}
