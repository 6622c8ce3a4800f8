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
            #[doc = concat!("`examples/", $file, ".rs`\n\n```rust\n")]
            #[doc = include_str!(concat!("../examples/", $file, ".rs"))]
            #[doc = "```"]
            pub mod $name {}
        )* };
    }

    programs! {
        p00_clients "00_clients"
        p01_socket "01_socket"
        p02_hello_web "02_hello_web"
        p03_datagram "03_datagram"
        p04_menu_chat "04_menu_chat"
        p05_select_stdin "05_select_stdin"
        p06_select_chat "06_select_chat"
        p07_two_ports "07_two_ports"
        p08_thread_chat "08_thread_chat"
        p09_upload "09_upload"
        p10_big_file "10_big_file"
        p11_threads_and_locks "11_threads_and_locks"
        p12_processes "12_processes"
        p13_pool "13_pool"
        p20_http_blocking "20_http_blocking"
        p21_http_threads "21_http_threads"
        p22_http_select "22_http_select"
        p23_http_poll "23_http_poll"
        p24_http_epoll_level "24_http_epoll_level"
        p25_http_epoll_edge "25_http_epoll_edge"
        p26_http_mio "26_http_mio"
        p27_http_loops "27_http_loops"
        p28_oneshot "28_oneshot"
        p30_defects "30_defects"
        p40_record "40_record"
    }
}
