// SIGHUP requests a reload once the command is known to be `serve`. Before that, and on a terminal, where it means that
// the terminal was closed, it ends the process.

/** The source of SIGHUP: `process`, except in tests. */
interface SignalSource {
  on(signal: 'SIGHUP', listener: () => void): unknown
}

export class ReloadSignal {
  #onReload: (() => unknown) | undefined
  /** The signal came before there was a listener. */
  #isPending = false

  constructor(source: SignalSource, { isTTY = false }: { readonly isTTY?: boolean }) {
    if (isTTY) return
    source.on('SIGHUP', () => {
      if (this.#onReload === undefined) this.#isPending = true
      else this.#onReload()
    })
  }

  /** Calls `onReload` for each signal from now on, and once if any came before. */
  listen(onReload: () => unknown): void {
    this.#onReload = onReload
    if (this.#isPending) onReload()
  }
}
