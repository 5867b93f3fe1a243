// Changes of a settings file in JSON, as splices of its text: members are set, and every other byte stays as it was written.
import { membersOf } from '../../bytes/json/member-edits.ts'
import { isTooDeep } from '../../bytes/json/nesting.ts'
import { isObject, parseJson } from '../../bytes/json/parse.ts'
import { skipSpace } from '../../bytes/json/tokens.ts'
import { type Document, documentOf } from '../../bytes/json/view.ts'
import { splice, type Splice } from '../../bytes/splice.ts'
import type { EditOutcome } from './client.ts'

export interface JsonObjectToSet {
  readonly [name: string]: JsonToSet
}

type JsonToSet = string | boolean | JsonObjectToSet | readonly JsonToSet[]

const byteOrderMark = '\uFEFF'

/** Objects are merged, everything else is replaced. What is added is laid out as the file is. */
export function withMembers(before: string, members: JsonObjectToSet): EditOutcome {
  const mark = before.startsWith(byteOrderMark) ? byteOrderMark : ''
  const plain = before.slice(mark.length)
  if (plain.trim() === '') {
    return { kind: 'edited', text: `${mark}${JSON.stringify(members, undefined, 2)}\n` }
  }
  const body = Buffer.from(plain)
  if (isTooDeep(body)) return { kind: 'refused', reason: 'is nested too deeply, so it is left as it is' }
  if (!isObject(parseJson(plain))) {
    return { kind: 'refused', reason: 'is not plain JSON (it may have comments), so it is left as it is' }
  }
  const settings = new Settings(body)
  settings.set(skipSpace(settings.source, 0), members)
  return { kind: 'edited', text: mark + splice(body, settings.splices).toString() }
}

class Settings {
  readonly source: Document
  readonly splices: Splice[] = []
  /** Of one level. */
  readonly #unit: string
  readonly #lineBreak: string

  constructor(body: Buffer) {
    this.source = documentOf(body)
    const text = body.toString()
    this.#unit = /\n([ \t]+)"/.exec(text)?.[1] ?? '  '
    this.#lineBreak = text.includes('\r\n') ? '\r\n' : '\n'
  }

  /** @param open the position of the object's opening brace. */
  set(open: number, wanted: JsonObjectToSet): void {
    const members = membersOf(this.source, open, Infinity)
    const [first] = members
    const last = members.at(-1)
    // The space before the first member: what is added stands as it does.
    const space = first === undefined ? '' : this.#text(open + 1, first.at)
    const added: string[] = []
    for (const [name, value] of Object.entries(wanted)) {
      // Readers take one of several members of a name, and not all the same one.
      const own = members.filter((member) => member.name === name)
      for (const { start, end } of own) this.#setValue(start, end, value, indentOf(space))
      if (own.length === 0) added.push(this.#member(name, value, space))
    }
    if (added.length === 0) return
    if (last !== undefined) {
      const text = added.map((member) => `,${space}${member}`).join('')
      this.splices.push({ at: { start: last.end, end: last.end }, bytes: text })
      return
    }
    const line = this.#lineOf(open)
    const close = this.source.bytes.indexOf('}', open)
    const inner = `${this.#lineBreak}${line}${this.#unit}`
    const text = Object.entries(wanted).map(([name, value]) => inner + this.#member(name, value, inner))
    const at = { start: open + 1, end: close }
    this.splices.push({ at, bytes: `${text.join(',')}${this.#lineBreak}${line}` })
  }

  #setValue(start: number, end: number, value: JsonToSet, indent: string | undefined): void {
    const written = this.#text(start, end)
    if (isObject(value) && written.startsWith('{')) {
      this.set(start, value)
    } else if (JSON.stringify(JSON.parse(written)) !== JSON.stringify(value)) {
      this.splices.push({ at: { start, end }, bytes: this.#value(value, indent) })
    }
  }

  #member(name: string, value: JsonToSet, space: string): string {
    const indent = indentOf(space)
    const colon = indent === undefined && space === '' ? ':' : ': '
    return `${JSON.stringify(name)}${colon}${this.#value(value, indent)}`
  }

  /** @param indent of the member; undefined: all stands on one line. */
  #value(value: JsonToSet, indent: string | undefined): string {
    if (indent === undefined) return JSON.stringify(value)
    return JSON.stringify(value, undefined, this.#unit).replaceAll('\n', this.#lineBreak + indent)
  }

  /** The indentation of the line on which a position is. */
  #lineOf(at: number): string {
    const line = this.#text(this.source.bytes.lastIndexOf('\n', at) + 1, at)
    return /^[ \t]*/.exec(line)![0]
  }

  #text(start: number, end: number): string {
    return this.source.bytes.toString('utf8', start, end)
  }
}

/** Undefined: there is no line break in the space. */
function indentOf(space: string): string | undefined {
  const at = space.lastIndexOf('\n')
  return at < 0 ? undefined : space.slice(at + 1)
}
