// The terminal of `top`: its keys come one by one, and it is as before at every end: after a key, a signal, an error that nobody
// caught, or when its window is closed. What the sequences do: xterm, "XTerm Control Sequences".
import { styleText } from 'node:util'
import type { SecretInput } from '../read-secret.ts'
import type { Line, Size } from './screen.ts'

export type TerminalOutput = NodeJS.WritableStream & {
  readonly isTTY?: boolean
  /** Of a terminal. */
  readonly columns?: number
  readonly rows?: number
}

export interface TerminalParts {
  readonly input: SecretInput
  readonly output: TerminalOutput
  readonly hasColours: boolean
  readonly onKeys: (text: string) => void
  /** The size has changed, or the program goes on after it was stopped. */
  readonly onRedraw: () => void
  /** Somebody ends the program. @param status for its end. */
  readonly onEnd: (status: number) => void
}

/** Another screen without a cursor and without line breaks of its own. */
const hideCursor = '\u001b[?25l'
const enter = `\u001b[?1049h${hideCursor}\u001b[?7l`
const leave = '\u001b[?7h\u001b[?25h\u001b[?1049l'
const home = '\u001b[H'
const clearRestOfLine = '\u001b[K'
const clearBelow = '\u001b[J'

const usualSize: Size = { columns: 80, rows: 24 }

/** As the shell reports a program that a signal has ended. */
const endings = [
  ['SIGINT', 130],
  ['SIGHUP', 129],
  ['SIGTERM', 143],
] as const

export class Terminal {
  readonly #parts: TerminalParts
  readonly #undo: (() => void)[] = []

  constructor(parts: TerminalParts) {
    this.#parts = parts
  }

  get size(): Size {
    const { columns = usualSize.columns, rows = usualSize.rows } = this.#parts.output
    return columns > 0 && rows > 0 ? { columns, rows } : usualSize
  }

  open(): void {
    const { input, output, onKeys, onRedraw, onEnd } = this.#parts
    const restore = () => this.close()
    this.#on(process, 'exit', restore)
    for (const [signal, status] of endings) this.#on(process, signal, () => onEnd(status))
    this.#on(process, 'SIGCONT', () => {
      this.#enter()
      onRedraw()
    })
    this.#on(output, 'resize', onRedraw)
    // Its window is closed.
    this.#on(output, 'error', () => onEnd(1))
    this.#on(input, 'error', () => onEnd(1))
    this.#on(input, 'end', () => onEnd(0))
    this.#on(input, 'data', (bytes: unknown) => onKeys(String(bytes)))
    this.#enter()
    input.resume()
  }

  #enter(): void {
    this.#parts.input.setRawMode(true)
    this.#parts.output.write(enter)
  }

  draw(lines: readonly Line[]): void {
    // Before a line: after one as wide as the terminal, the cursor is still in the last column, and its character would go.
    const text = lines.map(
      (line, at) => (at < lines.length - 1 ? clearRestOfLine : clearBelow) + this.#styled(line),
    )
    this.#parts.output.write(home + text.join('\r\n') + hideCursor)
  }

  /** The terminal is as before; nothing more is drawn. Further calls do nothing. */
  close(): void {
    if (this.#undo.length === 0) return
    for (const undo of this.#undo.splice(0)) undo()
    const { input, output } = this.#parts
    try {
      input.setRawMode(false)
      output.write(leave)
    } catch {
      // Its window is closed: there is nothing to be restored.
    }
    input.pause()
  }

  #styled({ text, style }: Line): string {
    if (style === undefined || !this.#parts.hasColours) return text
    return styleText(style, text, { validateStream: false })
  }

  #on(
    emitter: Pick<NodeJS.EventEmitter, 'on' | 'off'>,
    name: string,
    listener: (...values: unknown[]) => void,
  ): void {
    emitter.on(name, listener)
    this.#undo.push(() => emitter.off(name, listener))
  }
}
