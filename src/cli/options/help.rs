//! What stands below the options in `--help`.

pub(super) const EXAMPLES: &str = "\
Backends:
  edge      one loop over epoll(7), told once per change
  level     one loop over epoll(7), told as long as it holds
  poll      one loop over poll(2)
  select    one loop over select(2): at most 1024 descriptors
  threads   a thread per connection, at most 512 of them
  blocking  one connection at a time, closed after its answer: to see why
            the other five exist

Seconds take decimals and units: 0.2, 500ms, 5m, 1h, 7d.
Sizes take K, M, G (or KiB, MiB, GiB: 1K is 1024) and KB, MB, GB (1KB is 1000).
A request head holds at most 16 KiB and 100 fields, its target 8 KiB.

Examples:
  httpoll                            this directory on http://127.0.0.1:8080/
  httpoll -p 0 www                   another one, on any free port
  httpoll -l 0.0.0.0 photos          for everybody who can reach this machine
  httpoll --spa dist                 an application with its own routes
  httpoll --immutable 'assets/*' --max-age 60 dist
  httpoll -l 0.0.0.0 --upload=inbox  others can send files into inbox
  httpoll --hello --log off -w auto  for a load test
  httpoll --trace -b select          watch the loop, turn by turn

Each option has a variable: HTTPOLL_MAX_AGE=60 stands for --max-age 60,
HTTPOLL_HELLO=1 for --hello; what is typed goes first. A file (--config) has
it as max-age = 60, and goes last.

Exit code: 0 after a stop, 1 if it cannot start or go on, 2 for wrong options.";
