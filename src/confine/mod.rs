//! Giving up what the server does not need, before the first stranger is let in.
//!
//! *Beside the drivers.* Knows system calls that only take rights away; knows of the server which
//! paths its configuration names. Nothing above the kernel's floor is called from here.
//!
//! Three locks, one behind the other, and each holds if the one before it was picked:
//!
//! ```text
//! user.rs    who we are         root binds port 80, and is root no longer
//! paths.rs   what we can reach  Landlock: the directory that is served, to read; nothing else
//! calls.rs   what we can ask    seccomp: the system calls of the loop; with --sandbox strict
//! ```
//!
//! PITFALL: all three act on the calling *thread* and on those it starts from then on. So the
//! order is bind, open, [`confine`], and only then the first thread, of the log for example.
//! `tests/confined.rs` looks at every thread of a running server.
//!
//! *References:* landlock(7), seccomp(2), credentials(7), no_new_privs in prctl(2).

mod calls;
mod paths;
mod user;

pub use paths::Needs;
pub use user::User;

use crate::kernel::StartError;

/// How much is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sandbox {
    /// What the kernel can do of Landlock, without a word if that is nothing.
    #[default]
    Auto,
    /// Landlock or no start, and a list of system calls.
    Strict,
    /// Nothing.
    Off,
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confined {
    /// Nothing was asked for.
    No,
    /// This kernel has no Landlock, or something above us forbids it.
    Unsupported,
    /// The process reaches what it needs and no more.
    Yes,
}

/// Confines the calling thread and all that it starts afterwards, for ever.
///
/// # Errors
/// A path that cannot be opened, and with [`Sandbox::Strict`] a kernel that cannot do it.
pub fn confine(sandbox: Sandbox, needs: &Needs) -> Result<Confined, StartError> {
    let confined = match sandbox {
        Sandbox::Off => return Ok(Confined::No),
        Sandbox::Auto => paths::restrict(needs, false)?,
        Sandbox::Strict => paths::restrict(needs, true)?,
    };
    if sandbox == Sandbox::Strict {
        calls::restrict(needs)?;
    }
    Ok(confined)
}
