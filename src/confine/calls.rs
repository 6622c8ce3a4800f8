//! What the server can ask of the kernel: a list of system calls.
//!
//! Found by running every backend under strace(1), with glibc and with musl; what only other
//! versions of either call is there too (`membarrier`, `mremap`). Three filters, of which the
//! kernel obeys the harshest answer:
//!
//! * **What no bug of ours would call ends the process:** running another program, reading or
//!   writing another process's memory, loading code into the kernel. Code that asks for
//!   that has taken the process over, and shall not try twice.
//! * **What is not on the list fails with EPERM.** Not death: a list is never complete for all
//!   libraries to come, and one forgotten call in a rare request would let any client end the
//!   server. A call that fails costs its request.
//! * **clone3(2) is answered ENOSYS**, because its flags lie in memory where no filter can look.
//!   Both libraries then use clone(2), whose flags are looked at: threads yes, processes no.
//!
//! A call that is always allowed costs next to nothing: since 5.11 the kernel remembers so in a
//! bitmap and does not run the filter. That is why the calls of the loop have no conditions.
//!
//! *References:* seccomp(2), syscalls(2).

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::Needs;
use crate::kernel::StartError;

/// System calls by number, each with the conditions under which it is meant; none: always.
type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

/// Restricts the calling thread to the calls of a server with these needs.
pub(super) fn restrict(needs: &Needs) -> Result<(), StartError> {
    let failed = |error: &dyn std::fmt::Display| {
        StartError::new(
            format!("--sandbox strict: no filter for system calls ({error})"),
            "use --sandbox auto, which does without",
        )
    };
    let programs = programs(needs).map_err(|error| failed(&error))?;
    for program in programs {
        seccompiler::apply_filter(&program).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// In the order in which they must be installed: the last one forbids to install more.
fn programs(needs: &Needs) -> Result<[BpfProgram; 3], BackendError> {
    let always = |calls: &[libc::c_long]| -> Rules {
        calls.iter().map(|call| (*call, Vec::new())).collect()
    };
    let program = |rules, otherwise, then| -> Result<BpfProgram, BackendError> {
        let arch = TargetArch::try_from(std::env::consts::ARCH)?;
        SeccompFilter::new(rules, otherwise, then, arch)?.try_into()
    };
    let mut listed = always(CALLS);
    listed.extend(always(CALLS_OF_OLD));
    if needs.removes_names() || needs.writes_files() {
        listed.extend(always(REMOVING));
    }
    listed.extend(conditional()?);
    if needs.appends_lines() {
        let flags = libc::O_WRONLY | libc::O_CREAT;
        let rule = only(2, OPENING, flags)?;
        listed.entry(libc::SYS_openat).or_default().extend(rule);
    }
    if needs.writes_files() {
        listed.extend(always(WRITING));
    }
    // Of two errors the kernel takes that of the younger filter, so this one must not object.
    listed.extend(always(&[libc::SYS_clone3]));
    let not_there = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let (allow, end) = (SeccompAction::Allow, SeccompAction::KillProcess);
    Ok([
        program(always(TAKEN_OVER), allow.clone(), end)?,
        program(always(&[libc::SYS_clone3]), allow.clone(), not_there)?,
        program(listed, refused, allow)?,
    ])
}

/// Calls that are allowed with some arguments only.
fn conditional() -> Result<Rules, BackendError> {
    let all = -1;
    Ok(Rules::from([
        // Threads, not processes.
        (
            libc::SYS_clone,
            only(0, libc::CLONE_THREAD, libc::CLONE_THREAD)?,
        ),
        // Memory, not code.
        (libc::SYS_mmap, only(2, libc::PROT_EXEC, 0)?),
        (libc::SYS_mprotect, only(2, libc::PROT_EXEC, 0)?),
        // To read. How openat2(2) opens lies in memory: there Landlock says no.
        (libc::SYS_openat, only(2, OPENING, libc::O_RDONLY)?),
        // A thread's name.
        (libc::SYS_prctl, only(0, all, libc::PR_SET_NAME)?),
        // abort(3), so that a bug is reported as what it is. That it reaches no other process is
        // Landlock's part.
        (libc::SYS_tgkill, only(2, all, libc::SIGABRT)?),
    ]))
}

/// What of the flags of open(2) says whether it may change something.
const OPENING: libc::c_int = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;

/// A call whose argument, as far as `mask` goes, has this value.
fn only(
    argument: u8,
    mask: libc::c_int,
    value: libc::c_int,
) -> Result<Vec<SeccompRule>, BackendError> {
    let wanted = SeccompCmpOp::MaskedEq(u64::from(mask.cast_unsigned()));
    let value = u64::from(value.cast_unsigned());
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, wanted, value)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}

/// What every server does all the time, at its start or at its end.
const CALLS: &[libc::c_long] = &[
    // Connections and listeners.
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendfile,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_socketpair,
    libc::SYS_listen,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_eventfd2,
    libc::SYS_clock_gettime,
    libc::SYS_nanosleep,
    // Files and descriptors.
    libc::SYS_openat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_statx,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_fstatfs,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_preadv2,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_fadvise64,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_close,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads: what glibc and musl do to start one, to wait for one and to end one.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getrandom,
    libc::SYS_prlimit64,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    // Signals.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
];

/// Forms of the same that younger architectures have left out.
#[cfg(target_arch = "x86_64")]
const CALLS_OF_OLD: &[libc::c_long] = &[
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_readlink,
    libc::SYS_getrlimit,
    libc::SYS_setrlimit,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const CALLS_OF_OLD: &[libc::c_long] = &[];

/// Only with a Unix socket. Landlock says where.
#[cfg(target_arch = "x86_64")]
const REMOVING: &[libc::c_long] = &[libc::SYS_unlinkat, libc::SYS_unlink];
#[cfg(not(target_arch = "x86_64"))]
const REMOVING: &[libc::c_long] = &[libc::SYS_unlinkat];

/// Only with uploads, openat(2) with any flags among them. Landlock says where.
const WRITING: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_linkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_flock,
];

/// What only an attacker who has taken the process over asks for.
const TAKEN_OVER: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_bpf,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FilesConfig, ListenAddr, UploadConfig};

    #[test]
    fn the_lists_compile_and_do_not_contradict_each_other() {
        let sockets = [ListenAddr::Unix("/run/x".into())];
        let takes = FilesConfig {
            uploads: Some(UploadConfig::default()),
            ..FilesConfig::default()
        };
        for (listen, files) in [(&[][..], None), (&sockets, None), (&[], Some(&takes))] {
            let needs = Needs::of(listen, files).unwrap();
            assert!(programs(&needs).unwrap().iter().all(|one| !one.is_empty()));
        }
        let conditional = conditional().unwrap();
        for call in TAKEN_OVER {
            assert!(!CALLS.contains(call) && !conditional.contains_key(call));
        }
        for call in conditional.keys() {
            assert!(!CALLS.contains(call), "{call} would lose its condition");
        }
    }
}
