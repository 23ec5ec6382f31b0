// Browsers start no worker from a page that is a file. There, what is to be one runs in a hidden frame, so that search
// works in a copy of this site that lies on a disk. The name that this has on the site makes Zensical load no other one.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => setTimeout(() => this.tell(new MessageEvent("message", { data })));
      this.ready = new Promise((resolve, reject) => {
        const script = inside.document.createElement("script");
        script.src = url;
        script.onload = resolve;
        script.onerror = reject;
        inside.document.body.append(script);
      }).catch(() => this.tell(new ErrorEvent("error")));
    }
    tell(event) {
      this.dispatchEvent(event);
      this[`on${event.type}`]?.(event);
    }
    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow?.dispatchEvent(new MessageEvent("message", { data })));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
