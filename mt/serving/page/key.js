// The API key: asked for where the server needs one, kept in memory alone.

import { byId, speak, tell } from "./elements.js";
import { useKey } from "./engine.js";
import { isAboutKey, plainWords } from "./refusal.js";

export class KeyCard {
  /** `onKey` is called once there is a new key. */
  constructor({ isNeeded, onKey }) {
    byId("key-button").hidden = !isNeeded;
    byId("key-button").addEventListener("click", () => (byId("key-card").hidden ? this.open() : this.turn(false)));
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      useKey(byId("key").value.trim());
      byId("key").value = "";
      onKey();
    });
  }

  open() {
    this.turn(true);
    byId("key").focus();
  }

  /** The key is right. */
  accepted() {
    tell("key-message", "");
    if (byId("key-card").hidden) return;
    this.turn(false);
    speak("The API key is accepted.");
    byId("text").focus();
  }

  turn(isOpen) {
    byId("key-card").hidden = !isOpen;
    byId("key-button").setAttribute("aria-expanded", String(isOpen));
  }

  /** Whether an error is about the key: then it is told here. */
  tell(error) {
    if (!isAboutKey(error)) return false;
    this.open();
    tell("key-message", plainWords(error));
    return true;
  }
}
