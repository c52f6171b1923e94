// Small pictures of files. They are drawn on a canvas, which needs no address of an image.

import { element } from "./dom.js";

const SIDE = 192; // pixels of the longer side

/** Return a canvas with the picture of a file; it stays blank where the browser cannot read the file. */
export const thumbnail = (file) => {
  const canvas = element("canvas", { class: "thumbnail", width: SIDE, height: SIDE, role: "img", "aria-label": file.name });
  createImageBitmap(file).then(
    (bitmap) => {
      const factor = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
      canvas.width = Math.max(1, Math.round(bitmap.width * factor));
      canvas.height = Math.max(1, Math.round(bitmap.height * factor));
      canvas.classList.toggle("small", factor === 1);
      canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      bitmap.close();
    },
    () => canvas.classList.add("blank"),
  );
  return canvas;
};

/** Return the bytes of a file as base64. */
export const base64 = async (file) => {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let low = 0; low < bytes.length; low += 32_768) text += String.fromCharCode(...bytes.subarray(low, low + 32_768));
  return btoa(text);
};

/** Return the file of an image in base64. */
export const fileOf = (text, name) => {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const png = bytes[0] === 0x89 && bytes[1] === 0x50;
  return new File([bytes], `${name}.${png ? "png" : "jpg"}`, { type: png ? "image/png" : "image/jpeg" });
};
