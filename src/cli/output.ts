// Output for people: coloured on a terminal, without characters that could control it.
import { styleText, stripVTControlCharacters } from 'node:util'
import { printableJson } from '../platform/printable.ts'

/** What a command reads and writes; `process` has all three. */
export interface CommandIo {
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly env: NodeJS.ProcessEnv
}

export interface OutputStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

export type Style = 'bold' | 'dim' | 'green' | 'inverse' | 'red' | 'yellow'

/** Colours on a terminal only, and not with NO_COLOR (no-color.org). */
export function hasColours({ isTTY }: Pick<OutputStream, 'isTTY'>, env: NodeJS.ProcessEnv): boolean {
  return isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
}

/** Writes lines to one stream. */
export class Output {
  readonly #stream: OutputStream
  readonly #hasColours: boolean

  constructor(stream: OutputStream, env: NodeJS.ProcessEnv) {
    this.#stream = stream
    this.#hasColours = hasColours(stream, env)
  }

  line(text = ''): void {
    this.#stream.write(`${text}\n`)
  }

  json(value: unknown): void {
    this.#stream.write(`${printableJson(JSON.stringify(value, undefined, 2))}\n`)
  }

  styled(style: Style, text: string): string {
    return this.#hasColours ? styleText(style, text, { validateStream: false }) : text
  }
}

/** Columns that a text takes on a terminal: two for a wide character, none for a combining mark. */
export function displayWidth(text: string): number {
  let width = 0
  for (const { segment } of new Intl.Segmenter().segment(stripVTControlCharacters(text))) {
    width += wide.test(segment) ? 2 : 1
  }
  return width
}

const wide =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u

/** `1 model`, `2 models`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
