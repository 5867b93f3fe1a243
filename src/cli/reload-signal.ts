// SIGHUP asks for a reload. It is taken as soon as `serve` is known to be meant: until then, and at a terminal, where it
// says that the person has left, it ends the process.

/** Sends SIGHUP: the process, but for tests. */
interface SignalSource {
  on(signal: 'SIGHUP', listener: () => void): unknown
}

export class ReloadSignal {
  #onReload: (() => void) | undefined
  /** It came before anybody could act on it. */
  #isDue = false

  constructor(source: SignalSource, { isTTY = false }: { readonly isTTY?: boolean }) {
    if (isTTY) return
    source.on('SIGHUP', () => {
      if (this.#onReload === undefined) this.#isDue = true
      else this.#onReload()
    })
  }

  /** Calls `onReload` for each signal from now on, and once for those that have come already. */
  listen(onReload: () => void): void {
    this.#onReload = onReload
    if (this.#isDue) onReload()
  }
}
