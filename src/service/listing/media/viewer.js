"use strict";
// Pictures, videos and sound, one at a time, over the listing that they stand in.
//
// Without this script their links open the files. It finds them in the page each time, since the
// listing is sorted, filtered and replaced by other scripts. What is open is the fragment of the URL,
// as the link's own text, so that Back closes it and a shared address opens it again.
(() => {
  const LINKS = "#rows tr:not([hidden]) > :is(.p, .v, .s) > a";
  // Pixels that a finger moves before it has meant the next one; what of a video has its controls.
  const SWIPE = 50;
  const CONTROLS = 80;

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }
  const title = element("h2", { id: "viewed" });
  const place = element("span");
  const file = element("a", { textContent: "Open file" });
  const download = element("a", { textContent: "Download", download: "" });
  const close = element("button", { type: "button", textContent: "Close", autofocus: true, onclick: () => dialog.close() });
  const step = (name, text, by) => {
    const button = element("button", { type: "button", className: `step ${name}`, textContent: text, onclick: () => move(by) });
    button.setAttribute("aria-label", name === "next" ? "Next" : "Previous");
    return button;
  };
  const previous = step("previous", "\u2039", -1);
  const next = step("next", "\u203a", 1);
  const stage = element("div", { className: "stage" });
  const about = element("p", {}, title, place);
  about.setAttribute("aria-live", "polite");
  const dialog = element("dialog", { id: "viewer" },
    element("header", {}, about, file, download, close), stage, previous, next);
  dialog.setAttribute("aria-labelledby", "viewed");
  document.body.append(dialog);

  // The link of what is shown, by its text: its row may have been replaced.
  let shown = null;
  const all = () => [...document.querySelectorAll(LINKS)];
  const nameOf = (link) => link.getAttribute("href");
  const indexOf = (links) => links.findIndex((link) => nameOf(link) === shown);

  function show(link) {
    const links = all();
    const index = links.indexOf(link);
    shown = nameOf(link);
    title.replaceChildren(element("bdi", { textContent: link.querySelector("bdi").textContent }));
    place.textContent = `${index + 1} of ${links.length}`;
    file.href = download.href = link.href;
    // A button that goes while it has the keyboard hands it on.
    const had = document.activeElement;
    previous.disabled = index <= 0;
    next.disabled = index === links.length - 1;
    stage.replaceChildren(content(link));
    if (!dialog.open) dialog.showModal();
    if (had?.disabled) (previous.disabled && next.disabled ? close : had === next ? previous : next).focus();
  }

  function content(link) {
    const kind = link.parentElement.className;
    const properties = { src: link.href, onerror: () => failed(link) };
    if (kind === "p") {
      const text = link.querySelector("bdi").textContent;
      return element("img", { ...properties, alt: text, draggable: false, onload: preload });
    }
    const player = element(kind === "v" ? "video" : "audio", { ...properties, controls: true, autoplay: true, playsInline: true });
    player.setAttribute("aria-labelledby", "viewed");
    if (kind === "s") player.onended = nextSound;
    return player;
  }

  function failed(link) {
    if (shown !== nameOf(link)) return;
    const what = { p: "picture", v: "video", s: "sound" }[link.parentElement.className];
    const words = element("p", {}, `This ${what} cannot be shown here. `, element("a", { href: link.href, textContent: "Open the file" }));
    words.setAttribute("role", "status");
    stage.replaceChildren(words);
  }

  // The next picture is there once it is asked for.
  function preload() {
    const links = all();
    const link = links[indexOf(links) + 1];
    if (link?.parentElement.className === "p") new Image().src = link.href;
  }

  function nextSound() {
    const links = all();
    const link = links.slice(indexOf(links) + 1).find((link) => link.parentElement.className === "s");
    if (link) go(link);
  }

  // Whole: a path that begins with two slashes would be another host.
  const here = (hash) => Object.assign(new URL(location), { hash });
  function go(link) {
    if (!link || nameOf(link) === shown) return;
    history.replaceState(history.state, "", here(`#${nameOf(link)}`));
    show(link);
  }
  function move(by) {
    const links = all();
    go(links[indexOf(links) + by]);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.(LINKS);
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    history.pushState({ viewer: true }, "", here(`#${nameOf(link)}`));
    show(link);
  });

  // The URL has changed, by Back, Forward or by hand.
  function follow() {
    const wanted = location.hash.slice(1);
    const decoded = (text) => {
      try { return decodeURIComponent(text); } catch { return text; }
    };
    const link = wanted && (all().find((link) => nameOf(link) === wanted)
      ?? all().find((link) => decoded(nameOf(link)) === decoded(wanted)));
    if (!link) dialog.close();
    else if (nameOf(link) !== shown) show(link);
  }
  addEventListener("popstate", follow);

  dialog.addEventListener("close", () => {
    const links = all();
    const link = links[indexOf(links)];
    shown = null;
    stage.replaceChildren();
    // Closed by other means than Back: what was pushed is taken back.
    if (location.hash && history.state?.viewer) history.back();
    else if (location.hash) history.replaceState(history.state, "", here(""));
    link?.focus();
    link?.scrollIntoView({ block: "nearest" });
  });

  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    // A player has its own use for them.
    if (event.target.closest("video, audio")) return;
    const links = all();
    const to = { ArrowLeft: indexOf(links) - 1, ArrowRight: indexOf(links) + 1, Home: 0, End: links.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(links[to]);
  });
  // What is typed here is not for the page beneath.
  dialog.addEventListener("keydown", (event) => event.key !== "Escape" && event.stopPropagation());

  // One finger swipes; two, or one in a picture that is zoomed, belong to the browser.
  let finger = null;
  const isZoomed = () => (visualViewport?.scale ?? 1) > 1.01;
  visualViewport?.addEventListener("resize", () => stage.classList.toggle("zoomed", isZoomed()));
  const picture = () => stage.querySelector("img");
  function drag(distance) {
    const moved = picture();
    moved?.classList.toggle("dragged", distance !== 0);
    if (moved && !matchMedia("(prefers-reduced-motion: reduce)").matches) moved.style.translate = `${distance}px`;
  }
  const along = (event) => {
    const [x, y] = [event.clientX - finger.x, event.clientY - finger.y];
    return Math.abs(x) > 2 * Math.abs(y) ? x : 0;
  };
  const release = () => {
    if (finger) drag(0);
    finger = null;
  };
  stage.addEventListener("pointerdown", (event) => {
    const isControl = event.target.closest("audio, a")
      || event.target.closest("video")?.getBoundingClientRect().bottom - event.clientY < CONTROLS;
    if (!event.isPrimary || isZoomed()) return release();
    if (event.pointerType === "mouse" || isControl) return;
    finger = { id: event.pointerId, x: event.clientX, y: event.clientY };
  });
  stage.addEventListener("pointermove", (event) => {
    if (finger?.id === event.pointerId) drag(along(event));
  });
  stage.addEventListener("pointerup", (event) => {
    if (finger?.id !== event.pointerId) return;
    const x = along(event);
    release();
    if (Math.abs(x) > SWIPE) move(x < 0 ? 1 : -1);
  });
  stage.addEventListener("pointercancel", release);

  // A thumbnail that cannot be loaded leaves the sign of its tile.
  const dropBroken = (image) => image.matches?.(".grid #rows img") && image.remove();
  document.addEventListener("error", (event) => dropBroken(event.target), true);
  for (const image of document.querySelectorAll(".grid #rows img")) {
    if (image.complete && !image.naturalWidth && !/\.svg$/i.test(image.src)) dropBroken(image);
  }

  // A video's first picture is fetched once it is in view, unless data is dear.
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      // Some browsers show nothing of a video at its very beginning.
      const video = element("video", { muted: true, playsInline: true, preload: "metadata", tabIndex: -1, src: `${target.parentElement.href}#t=0.1` });
      video.setAttribute("aria-hidden", "true");
      video.onerror = () => video.remove();
      target.append(video);
    }
  });
  const watch = () => {
    if (navigator.connection?.saveData) return;
    for (const span of document.querySelectorAll(".grid #rows .v span:empty")) observer.observe(span);
  };
  // The table is replaced when files come.
  new MutationObserver(watch).observe(document.querySelector("main"), { childList: true });
  watch();
  follow();
})();
