// Loaded before the C library (LD_PRELOAD): the disk of a machine that can lose its power.
//
// Of what lies under MACHINE_ROOT it keeps in MACHINE_DISK what was synced, as it was when each sync began: the content of a file, the names
// in a folder, each under the key of its inode. What was never synced is not there. Nothing is synced for real: the copy is the disk.
// The copy is made while others may write: what is written during a sync may be counted as synced with it, or not, as on a disk.
//
// MACHINE_DIES_AT=<n>: the process's n-th sync takes a while, as on a slow disk, in which whoever does not wait for it goes on and is seen to. Then,
// before it has come to anything, the process group ends, as everything on a machine does. MACHINE_SYNC_TAKES=<ms>: how long, 50 if it is not said.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { KEY = 80, PLACE = PATH_MAX + 2 * KEY };

// A disk that loses something by itself would prove nothing.
static void check(int holds, const char *what) {
    if (!holds) {
        perror(what);
        abort();
    }
}

// What tells an inode from all others, those included that had its number before. Returns whether it is a file or a folder.
static int key_of(int folder, const char *name, char *key) {
    struct statx found;
    int flags = *name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
    if (statx(folder, name, flags, STATX_TYPE | STATX_INO | STATX_BTIME, &found) != 0) {
        return 0;
    }
    if (!S_ISDIR(found.stx_mode) && !S_ISREG(found.stx_mode)) {
        return 0;
    }
    check((found.stx_mask & STATX_BTIME) != 0, "the file system does not say when a file was made");
    snprintf(key, KEY, "%c-%llu-%lld.%09u", S_ISDIR(found.stx_mode) ? 'd' : 'f', (unsigned long long)found.stx_ino,
             (long long)found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
    return 1;
}

static void write_whole(int to, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(to, bytes, size);
        check(written > 0, "write");
        bytes += written;
        size -= (size_t)written;
    }
}

static void keep_names(const char *self, int to) {
    DIR *folder = opendir(self);
    check(folder != NULL, "opendir");
    char key[KEY], line[KEY + NAME_MAX + 3];
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *name = entry->d_name;
        // What has gone meanwhile is not kept.
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && key_of(dirfd(folder), name, key)) {
            write_whole(to, line, (size_t)snprintf(line, sizeof line, "%s %s\n", key, name));
        }
    }
    closedir(folder);
}

static void keep_content(const char *self, int file, int to) {
    // On the caller's own descriptor where that is possible: closing another one of the database would give up SQLite's locks on it. What is
    // open for writing alone is none of SQLite's.
    int from = file;
    if ((fcntl(file, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        from = open(self, O_RDONLY | O_CLOEXEC);
    }
    check(from >= 0, "open");
    static __thread char bytes[1 << 16];
    ssize_t size;
    for (off_t at = 0; (size = pread(from, bytes, sizeof bytes, at)) > 0; at += size) {
        write_whole(to, bytes, (size_t)size);
    }
    check(size == 0, "pread");
    if (from != file) {
        close(from);
    }
}

// Whether the file was one of ours, which it is kept of.
static int is_kept(int file) {
    static unsigned long syncs = 0;
    const char *root = getenv("MACHINE_ROOT"), *disk = getenv("MACHINE_DISK"), *last = getenv("MACHINE_DIES_AT");
    char self[64], path[PATH_MAX], key[KEY], place[PLACE], fresh[PLACE + KEY];
    snprintf(self, sizeof self, "/proc/self/fd/%d", file);
    ssize_t length = readlink(self, path, sizeof path - 1);
    if (!root || !disk || length < 0) {
        return 0;
    }
    path[length] = 0;
    size_t above = strlen(root);
    if (strncmp(path, root, above) != 0 || (path[above] != 0 && path[above] != '/') || !key_of(file, "", key)) {
        return 0;
    }
    if (__atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST) == (last ? strtoul(last, NULL, 10) : 0)) {
        const char *takes = getenv("MACHINE_SYNC_TAKES");
        long milliseconds = takes ? strtol(takes, NULL, 10) : 50;
        nanosleep(&(struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000 * 1000}, NULL);
        kill(0, SIGKILL);
        for (;;) {
            pause();
        }
    }
    // Under its name at once: whoever dies in between leaves what was there before.
    snprintf(place, sizeof place, "%s/%s", disk, key);
    snprintf(fresh, sizeof fresh, "%s.%ld", place, (long)syscall(SYS_gettid));
    int to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(to >= 0, fresh);
    if (*key == 'd') {
        keep_names(self, to);
    } else {
        keep_content(self, file, to);
    }
    close(to);
    check(rename(fresh, place) == 0, "rename");
    return 1;
}

int fsync(int file) {
    return is_kept(file) ? 0 : (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    return is_kept(file) ? 0 : (int)syscall(SYS_fdatasync, file);
}
