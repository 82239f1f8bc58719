//! System calls, by seccomp.
//!
//! A list of what is forbidden, not of what is allowed: the host is a large program on libraries that use what a new kernel offers, and a list
//! of what they need would be wrong with the next version of any of them. What is forbidden is what turns code in this process into more than
//! that: other programs, other processes, the kernel's own programs, mounts, namespaces, users. A forbidden call fails with `EPERM`.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    apply_filter,
};

use super::IsolationError;

/// Calls that are forbidden whatever their arguments.
const FORBIDDEN: &[c_long] = &[
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes' memory, and their files.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // The kernel's programs, modules and images.
    libc::SYS_bpf,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    // Parts of the kernel that often had holes, and that the host does not use.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_personality,
    libc::SYS_vmsplice,
    // Keys of the kernel.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // What a path means.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_mknodat,
    // Namespaces and users.
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_vhangup,
];

/// The same, of calls that only this processor has.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[c_long] =
    &[libc::SYS_mknod, libc::SYS_uselib, libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS__sysctl];
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_HERE: &[c_long] = &[];

/// Kinds of sockets that a process with a network may make: the network's, and the list of interfaces, which the resolver sorts addresses by. None
/// of this machine: behind those are programs that start others for whoever asks, and Landlock does not guard them. A resolver that would ask a
/// service by such a socket asks the network instead.
const SOCKETS: [i32; 3] = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Commands to a terminal that put text into it as if a person had typed it.
const TYPING: [u64; 2] = [0x5412, 0x541C];

/// Namespaces, as `clone` is asked for them.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Forbids them to this thread, and all that it will start.
pub(super) fn restrict(network: bool) -> Result<(), IsolationError> {
    for program in programs(network)? {
        apply_filter(&program).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// Whether this program knows the system calls of this processor.
pub(super) fn is_known_here() -> bool {
    TargetArch::try_from(std::env::consts::ARCH).is_ok()
}

fn failed(error: &dyn std::fmt::Display) -> IsolationError {
    IsolationError::Seccomp(error.to_string())
}

fn programs(network: bool) -> Result<Vec<BpfProgram>, IsolationError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| failed(&error))?;
    let compiled = |rules, errno: i32| {
        let errno = SeccompAction::Errno(errno.unsigned_abs());
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, arch).map_err(|error| failed(&error))?;
        BpfProgram::try_from(filter).map_err(|error| failed(&error))
    };
    // Its arguments are in memory, where no filter can see them. The C library, told that there is no such call, uses `clone`.
    let unseen = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let mut programs = vec![compiled(unseen, libc::ENOSYS)?, compiled(rules(network)?, libc::EPERM)?];
    programs.extend(other_numbers());
    Ok(programs)
}

fn rules(network: bool) -> Result<BTreeMap<c_long, Vec<SeccompRule>>, IsolationError> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        FORBIDDEN.iter().chain(FORBIDDEN_HERE).map(|call| (*call, Vec::new())).collect();
    let namespaces = NAMESPACES.map(|flag| {
        let flag = u64::from(flag.unsigned_abs());
        all_of(&[(0, SeccompCmpOp::MaskedEq(flag), flag)])
    });
    rules.insert(libc::SYS_clone, namespaces.into_iter().collect::<Result<_, _>>()?);
    let typing = TYPING.map(|command| all_of(&[(1, SeccompCmpOp::Eq, command)]));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<Result<_, _>>()?);
    let sockets = if network {
        let others = SOCKETS.map(|kind| (0, SeccompCmpOp::Ne, u64::from(kind.unsigned_abs())));
        vec![all_of(&others)?]
    } else {
        // None at all: what the host needs for itself are pairs, which are connected to nobody.
        Vec::new()
    };
    rules.insert(libc::SYS_socket, sockets);
    Ok(rules)
}

/// A rule that holds where all of its conditions do, on the lower half of the arguments, which is all that the kernel looks at.
fn all_of(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, IsolationError> {
    let conditions = conditions.iter().cloned().map(|(argument, operation, value)| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value).map_err(|error| failed(&error))
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?).map_err(|error| failed(&error))
}

/// Some kernels know every call of this processor by a second number (the x32 interface), which no list would have. Nothing here uses them.
#[cfg(target_arch = "x86_64")]
fn other_numbers() -> Option<BpfProgram> {
    use seccompiler::sock_filter;

    // classic BPF: load the number; is it at least this; refuse; allow.
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let refused = 0x0005_0000 | libc::EPERM.unsigned_abs();
    Some(vec![step(0x20, 0, 0, 0), step(0x35, 0, 1, 0x4000_0000), step(0x06, 0, 0, refused), step(0x06, 0, 0, 0x7fff_0000)])
}

#[cfg(not(target_arch = "x86_64"))]
fn other_numbers() -> Option<BpfProgram> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_are_whole_with_and_without_a_network() {
        if !is_known_here() {
            eprintln!("skipped: no filter for this processor");
            return;
        }
        for network in [false, true] {
            let programs = programs(network).unwrap();
            // A program has at most 4,096 steps, and one that is empty would allow everything.
            assert!(programs.iter().all(|program| (3..4_096).contains(&program.len())), "{network}");
        }
        let rules = rules(false).unwrap();
        for call in [libc::SYS_execve, libc::SYS_ptrace, libc::SYS_bpf, libc::SYS_mount, libc::SYS_socket] {
            assert!(rules[&call].is_empty(), "{call} is forbidden whatever its arguments");
        }
        for needed in [libc::SYS_openat, libc::SYS_mmap, libc::SYS_futex, libc::SYS_socketpair, libc::SYS_inotify_init1] {
            assert!(!rules.contains_key(&needed), "{needed}");
        }
    }
}
