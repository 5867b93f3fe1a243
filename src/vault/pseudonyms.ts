// Names that stand for clients in the log, the ledger and the audit log: an HMAC-SHA256 of the client's id, of which 16 bytes
// are kept. Whoever has the key can find the records of a name; nobody can find the name of a record but by trying names.
import { createHmac } from 'node:crypto'

const kinds = 'head|ip|jwt|key|mail|service|ts|user'
const idPattern = new RegExp(`^(${kinds}):(.*)$`, 's')
/** An id within a text, up to what cannot be a part of it or closes a sentence. */
const idInText = new RegExp(`\\b(?:${kinds}):[^\\s"'(),;\\[\\]{}]*[^\\s"'(),;\\[\\]{}.:]`, 'g')
const pseudonymPattern = /^p-[0-9a-f]{32}$/

interface NamedRow {
  readonly client?: string | number | null
  readonly key?: string | number | null
}

/** More are computed anew: a client chooses its address, and a front proxy's clients are many. */
const maxKept = 10_000

export class Pseudonyms {
  readonly #key: Buffer
  readonly #kept = new Map<string, string>()

  constructor(key: Buffer) {
    this.#key = key
  }

  /** `mail:p-2f…` for `mail:ann@example.org`. What is no client's id, or a pseudonym already, stays as it is. */
  of(id: string): string {
    const known = this.#kept.get(id)
    if (known !== undefined) return known
    const [, kind, name] = idPattern.exec(id) ?? []
    if (kind === undefined || pseudonymPattern.test(name!)) return id
    const mac = createHmac('sha256', this.#key).update(id).digest('hex')
    const pseudonym = `${kind}:p-${mac.slice(0, 32)}`
    if (this.#kept.size >= maxKept) this.#kept.clear()
    this.#kept.set(id, pseudonym)
    return pseudonym
  }

  /** For the name of a key, which its client's id ends with. */
  ofKey(name: string): string {
    return this.of(`key:${name}`).slice('key:'.length)
  }

  /** Rows of a report, in which one client and its key have their names. */
  named<Row extends NamedRow>(rows: readonly Row[], id: string): Row[] {
    const pseudonym = this.of(id)
    const [kind, name] = [id.slice(0, 4), id.slice(4)]
    return rows.map((row) => ({
      ...row,
      ...(row.client === pseudonym && { client: id }),
      ...(kind === 'key:' && row.key === this.ofKey(name) && { key: name }),
    }))
  }

  /**
   * A text for people without the names of clients: it has them as ids, and those that it is about also by the name alone, in
   * quotation marks or, of an address, between spaces.
   * @param ids of the clients that it is about.
   */
  inText(text: string, ids: readonly string[]): string {
    let masked = text.replaceAll(idInText, (id) => this.of(id))
    for (const id of ids) {
      const [, kind, name] = idPattern.exec(id) ?? []
      if (kind === undefined || name === '') continue
      const pseudonym = this.of(id).slice(kind.length + 1)
      masked = masked.replaceAll(JSON.stringify(name), () => JSON.stringify(pseudonym))
      if (kind === 'ip') masked = masked.replaceAll(` ${name} `, () => ` ${pseudonym} `)
    }
    return masked
  }
}
