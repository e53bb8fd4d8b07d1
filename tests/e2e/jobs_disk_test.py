"""A disk that is really full: a file system of a few megabytes, in a name space of its own."""
import shutil, subprocess, tempfile, unittest

from jobs_client import accepted, result, submit
from jobs_crash_test import DurableServer
from jobs_test import GREEDY, LONG

DISK_MIB = 24


def may_mount():
    """Whether this user may have name spaces and file systems in them."""
    if not all(shutil.which(tool) for tool in ("unshare", "nsenter", "mount")):
        return False
    return subprocess.run(["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0


class SmallDisk:
    """A tmpfs that lives as long as this does, and is seen by what is started with `inside`."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="weft-disk-")
        script = f'mount -t tmpfs -o size={DISK_MIB}m none "$0" && echo mounted && exec sleep 3600'
        self.holder = subprocess.Popen(["unshare", "-Urm", "sh", "-c", script, self.folder.name], stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "mounted\n"
        self.inside = ["nsenter", "--preserve-credentials", "-U", "-m", "-t", str(self.holder.pid)]

    def run(self, script):
        done = subprocess.run([*self.inside, "sh", "-c", script, self.folder.name], capture_output=True, text=True)
        return done.stdout.strip()

    def fill(self):
        """To the last byte."""
        self.run('head -c 100M /dev/zero > "$0/filler"; head -c 100M /dev/zero > "$0/crumbs"')

    def free(self):
        self.run('rm -f "$0/filler" "$0/crumbs"')

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()
        self.folder.cleanup()


@unittest.skipUnless(may_mount(), "this user may not mount a file system in a name space of its own")
class FullDisk(unittest.TestCase):
    def setUp(self):
        self.disk = SmallDisk()
        self.addCleanup(self.disk.close)

    def server(self, *options):
        folder = f"{self.disk.folder.name}/jobs"
        server = DurableServer("--set", f"jobs.folder={folder}", *options, wrapper=self.disk.inside)
        self.addCleanup(server.stop)
        return server

    def fill_and_finish(self, server):
        """Fills the disk under a running job and one that waits. Gives both as they ended once there was room again."""
        running, waiting = accepted(server, **LONG), accepted(server, **GREEDY)
        self.disk.fill()
        for _ in range(200):  # what SQLite has room for in its log is still taken
            status, body = submit(server, "word " * 2000)
            if status == 507:
                break
            self.assertEqual(status, 202, body)
            self.disk.fill()
        self.assertEqual((status, body["error"]["code"]), (507, "storage_full"))
        self.assertEqual({submit(server, "word " * 2000)[0] for _ in range(100)}, {507})
        self.assertEqual(server.request("GET", f"/api/v1/status/{running}")[0], 200)
        return running, waiting

    def test_what_was_accepted_ends_once_there_is_room_and_nothing_is_damaged(self):
        server = self.server("--set", "jobs.reserved_bytes=0", "--set", "jobs.parallel=1")
        running, waiting = self.fill_and_finish(server)
        self.disk.free()
        ends = {job: result(server, job) for job in (running, waiting)}
        self.assertEqual([job["status"] for job in ends.values()], ["completed"] * 2)
        more = result(server, accepted(server, **GREEDY))
        server.kill()
        server.restart()
        for job, end in {**ends, more["request_id"]: more}.items():
            self.assertEqual(server.get(f"/api/v1/status/{job}")[1], end)

    def test_a_crash_on_a_full_disk_loses_nothing(self):
        server = self.server("--set", "jobs.reserved_bytes=0", "--set", "jobs.parallel=1")
        jobs = self.fill_and_finish(server)
        server.kill()
        self.disk.free()
        server.restart()
        self.assertEqual([result(server, job)["status"] for job in jobs], ["completed"] * 2)
        self.assertNotIn("store_damaged", server.log_text())

    def test_reserved_room_lets_accepted_jobs_end_while_the_disk_is_full_for_others(self):
        server = self.server("--set", "jobs.reserved_bytes=8MiB", "--set", "jobs.parallel=1")
        running, waiting = accepted(server, **LONG), accepted(server, **GREEDY)
        self.disk.run(f'head -c {DISK_MIB - 4}M /dev/zero > "$0/filler"')
        status, body = submit(server)
        self.assertEqual((status, body["error"]["code"]), (507, "storage_full"))
        self.assertEqual([result(server, job)["status"] for job in (running, waiting)], ["completed"] * 2)


if __name__ == "__main__":
    unittest.main()
