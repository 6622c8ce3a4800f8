// A module is refused unless it is served as JavaScript, and instantiateStreaming refuses
// anything but application/wasm: if this runs, both types were right.
export async function load() {
  const { instance } = await WebAssembly.instantiateStreaming(
    fetch(new URL("add.wasm", import.meta.url)),
  );
  return instance.exports.add;
}
