#![doc = include_str!("links.txt")]
#![doc = include_str!("00-map.md")]
// The course, for `cargo doc`: chapters and programs as modules, and nothing of it in the library.
//
// In the chapters a link has a label, and the label a target: a path, for the code host. The targets
// in `links.txt` come before those, and of two definitions the first one counts (CommonMark, "Link
// reference definitions"). So in rustdoc the same label leads to an item, and rustdoc checks it.

macro_rules! chapters {
    ($($name:ident $file:literal)*) => { $(
        #[doc = include_str!("links.txt")]
        #[doc = include_str!($file)]
        pub mod $name {}
    )* };
}

chapters! {
    ch01_one_socket "01-one-socket.md"
    ch02_framing "02-framing.md"
    ch03_datagrams "03-datagrams.md"
    ch04_threads "04-threads.md"
    ch05_select "05-select.md"
    ch06_poll "06-poll.md"
    ch07_epoll_level "07-epoll-level.md"
    ch08_epoll_edge "08-epoll-edge.md"
    ch09_two_bits "09-two-bits.md"
    ch10_sans_io "10-sans-io.md"
    ch11_writing "11-writing.md"
    ch12_time "12-time.md"
    ch13_endings "13-endings.md"
    ch14_accepting "14-accepting.md"
    ch15_files "15-files.md"
    ch16_loops_and_processes "16-loops-and-processes.md"
    ch17_testing "17-testing.md"
    ch18_is_edge_faster "18-is-edge-faster.md"
    ch19_completion "19-completion.md"
    ch20_the_tutorial "20-the-tutorial.md"
    ch21_others_mistakes "21-others-mistakes.md"
}

/// The programs of `examples/`, as they are.
pub mod programs {
    macro_rules! programs {
        ($($name:ident $file:literal)*) => { $(
            #[doc = concat!("`", $file, "`\n\n```rust\n")]
            #[doc = include_str!($file)]
            #[doc = "```"]
            pub mod $name {}
        )* };
    }

    programs! {
        p00_clients "../examples/00_clients.rs"
        p01_socket "../examples/01_socket.rs"
        p02_hello_web "../examples/02_hello_web.rs"
        p03_datagram "../examples/03_datagram.rs"
        p04_menu_chat "../examples/04_menu_chat.rs"
        p05_select_stdin "../examples/05_select_stdin.rs"
        p06_select_chat "../examples/06_select_chat.rs"
        p07_two_ports "../examples/07_two_ports.rs"
        p08_thread_chat "../examples/08_thread_chat.rs"
        p09_upload "../examples/09_upload.rs"
        p10_big_file "../examples/10_big_file.rs"
        p11_threads_and_locks "../examples/11_threads_and_locks.rs"
        p12_processes "../examples/12_processes.rs"
        p13_pool "../examples/13_pool.rs"
        p20_http_blocking "../examples/20_http_blocking.rs"
        p21_http_threads "../examples/21_http_threads.rs"
        p22_http_select "../examples/22_http_select.rs"
        p23_http_poll "../examples/23_http_poll.rs"
        p24_http_epoll_level "../examples/24_http_epoll_level.rs"
        p25_http_epoll_edge "../examples/25_http_epoll_edge.rs"
        p26_http_mio "../examples/26_http_mio.rs"
        p27_http_loops "../examples/27_http_loops.rs"
        p28_oneshot "../examples/28_oneshot.rs"
        p30_defects "../examples/30_defects.rs"
    }
}
