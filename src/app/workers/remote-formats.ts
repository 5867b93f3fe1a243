// The formats that providers speak, in a worker thread: as the main thread has sent them, or answers a question.
import type { AskedFormat, SpokenFormats } from '../../call/spoken-formats.ts'
import { confirmedMs } from '../format-discovery.ts'
import type { FormatMessage, FoundFormats } from './messages.ts'

interface RemoteFormatsParts {
  readonly found: FoundFormats
  readonly now: () => number
  readonly ask: (provider: string, format: AskedFormat) => Promise<boolean | undefined>
  readonly post: (message: FormatMessage) => void
}

export class RemoteFormats implements SpokenFormats {
  readonly #parts: RemoteFormatsParts
  #found: FoundFormats
  #receivedAtMs: number

  constructor(parts: RemoteFormatsParts) {
    this.#parts = parts
    this.#found = parts.found
    this.#receivedAtMs = parts.now()
  }

  onFound(found: FoundFormats): void {
    this.#found = found
    this.#receivedAtMs = this.#parts.now()
  }

  current(provider: string, format: string): boolean | undefined {
    const isRecent = this.#parts.now() - this.#receivedAtMs < confirmedMs
    return isRecent ? this.#found.get(provider)?.[format] : undefined
  }

  async find(provider: string, { name, path }: AskedFormat): Promise<boolean | undefined> {
    const isSpoken = await this.#parts.ask(provider, { name, path })
    if (isSpoken !== undefined) this.#set(provider, { ...this.#found.get(provider), [name]: isSpoken })
    return isSpoken
  }

  doubt(provider: string, format: string): void {
    const { [format]: _, ...formats } = this.#found.get(provider) ?? {}
    this.#set(provider, formats)
    this.#parts.post({ kind: 'format_doubted', provider, format })
  }

  #set(provider: string, formats: Readonly<Record<string, boolean>>): void {
    this.#found = new Map([...this.#found, [provider, formats]])
  }
}
