//! Judged by an edge-triggered loop in the simulated kernel. Every client waits for its answer, and
//! none arrives late, so nobody wakes the listener a second time.

use std::io;

use exercises::Verdict;
use exercises::small::{Accept, Parts, asks, serve};
use exercises::stage::{Listener, Scene, Socket};
use rustix::io::Errno;

struct Mine {
    /// One accept that fails with ECONNABORTED.
    gone: bool,
}

impl Parts<true> for Mine {
    fn accept(
        &mut self,
        listener: &mut Listener<true>,
        new: &mut Vec<Socket>,
    ) -> io::Result<Accept> {
        if std::mem::take(&mut self.gone) {
            listener.fail_next(Errno::CONNABORTED.raw_os_error());
        }
        super::answer::on_listener(listener, new)?;
        Ok(Accept::All)
    }
}

pub fn check(round: u64) -> Verdict {
    let five = || (1..=5).map(|n| asks(&[n])).collect::<Vec<_>>();
    let scene = Scene::new("five clients at once", five());
    scene.play(round, |stage| serve(stage, &mut Mine { gone: false }))?;
    let scene = Scene::new("five clients at once, one of them gone again", five());
    scene.play(round, |stage| serve(stage, &mut Mine { gone: true }))
}
