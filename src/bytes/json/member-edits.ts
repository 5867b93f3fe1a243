// Sets, adds and removes members of a JSON object as splices of its bytes: everything else stays as it was written.
import type { MemberRule } from '../../domain.ts'
import type { Splice } from '../splice.ts'
import { endOfString, skipSpace } from './tokens.ts'
import type { JsonMember } from './types.ts'
import { afterComma, type Document, documentOf, endOfValue, nameOf } from './view.ts'

export interface MemberEdits {
  readonly splices: readonly Splice[]
  /** How many rules have changed something. */
  readonly changes: number
  /** Whether the object has no members afterwards. */
  readonly isEmpty: boolean
}

/** How many members the objects within the body may have that rules look into; its own are counted by the scan. */
export const maxNestedMembers = 10_000

/**
 * @param body one JSON object, as `scanJson` has accepted it.
 * @param known members whose ends are known, so that long ones need not be read again.
 * @returns undefined if the objects that rules look into have more than `maxNestedMembers` members.
 */
export function editMembers(
  body: Buffer,
  rules: readonly MemberRule[],
  known: ReadonlyMap<string, JsonMember> = new Map(),
): MemberEdits | undefined {
  const source = documentOf(body)
  for (const { value } of known.values()) source.ends.set(value.start, value.end)
  const open = skipSpace(source, 0)
  const edits = new ObjectEdits(source)
  const isEmpty = edits.edit(open, rules, membersOf(source, open, Infinity))
  if (edits.isCrowded) return undefined
  return { splices: edits.splices, changes: edits.changes, isEmpty }
}

/** Positions in the body. */
export interface Member {
  readonly name: string
  /** Of the name's opening quote. */
  readonly at: number
  readonly start: number
  readonly end: number
}

class ObjectEdits {
  readonly splices: Splice[] = []
  changes = 0
  readonly #source: Document
  /** How many more members may be looked at; negative once there were too many. */
  #membersLeft = maxNestedMembers

  constructor(source: Document) {
    this.#source = source
  }

  /** Whether there were too many members: the edits are not all. */
  get isCrowded(): boolean {
    return this.#membersLeft < 0
  }

  /** @param open the position of the opening brace. @returns whether the object has no members afterwards. */
  edit(open: number, rules: readonly MemberRule[], members: readonly Member[]): boolean {
    const dropped = new Set<Member>()
    const added: string[] = []
    for (const rule of rules) {
      const own = members.filter(({ name }) => name === rule.name)
      const changesBefore = this.changes
      this.#apply(rule, own, { members, dropped, added })
      // Several members of one name are one change.
      if (rule.kind !== 'within') this.changes = Math.min(this.changes, changesBefore + 1)
    }
    this.#drop(members, dropped)
    const isEmptied = members.length === dropped.size
    if (added.length > 0) {
      // Behind all others, as decoders that ignore case take the last one of several.
      const at = members.at(-1)?.end ?? open + 1
      this.#replace(at, at, (isEmptied ? '' : ',') + added.join(','))
    }
    return isEmptied && added.length === 0
  }

  #apply(
    rule: MemberRule,
    own: readonly Member[],
    {
      members,
      dropped,
      added,
    }: { readonly members: readonly Member[]; readonly dropped: Set<Member>; readonly added: string[] },
  ): void {
    const json = rule.kind === 'drop' ? undefined : jsonOf(rule)
    if (own.length === 0) {
      if (json === undefined || isSaidOtherwise(rule, members)) return
      added.push(`${JSON.stringify(rule.name)}:${json}`)
      this.changes += rule.kind === 'within' ? countOf(rule.rules) : 1
      return
    }
    for (const member of own) {
      const { start, end } = member
      switch (rule.kind) {
        case 'drop':
          dropped.add(member)
          this.changes += 1
          break
        case 'set':
          this.#set(start, end, rule.json)
          break
        case 'default':
          break
        case 'within':
          if (this.#source.bytes[start] === OBJECT) this.#editWithin(start, rule.rules)
          else if (rule.rules.some(sets)) this.#set(start, end, json!)
          break
        default:
          rule satisfies never
      }
    }
  }

  #editWithin(open: number, rules: readonly MemberRule[]): void {
    if (this.isCrowded) return
    // One more shows that there are too many.
    const members = membersOf(this.#source, open, this.#membersLeft + 1)
    this.#membersLeft -= members.length
    if (!this.isCrowded) this.edit(open, rules, members)
  }

  #set(start: number, end: number, json: string): void {
    const { bytes } = this.#source
    if (end - start === json.length && bytes.toString('utf8', start, end) === json) return
    this.changes += 1
    this.#replace(start, end, json)
  }

  /** With the comma before each; of those before all that stay, with the one behind it. */
  #drop(members: readonly Member[], dropped: ReadonlySet<Member>): void {
    let hasKept = false
    for (const [index, member] of members.entries()) {
      if (!dropped.has(member)) hasKept = true
      else if (hasKept) this.#replace(members[index - 1]!.end, member.end, '')
      else this.#replace(member.at, members[index + 1]?.at ?? member.end, '')
    }
  }

  #replace(start: number, end: number, bytes: string): void {
    this.splices.push({ at: { start, end }, bytes })
  }
}

const OBJECT = 0x7b
const QUOTE = 0x22

/** The first `most` members of an object whose opening brace is at `open`. */
export function membersOf(source: Document, open: number, most: number): Member[] {
  const members: Member[] = []
  for (let at = skipSpace(source, open + 1); source.bytes[at] === QUOTE && members.length < most;) {
    const nameEnd = endOfString(source, at + 1)
    const start = skipSpace(source, skipSpace(source, nameEnd) + 1)
    const end = endOfValue(source, start)
    members.push({ name: nameOf(source.bytes, at, nameEnd), at, start, end })
    at = afterComma(source, end)
  }
  return members
}

function isSaidOtherwise(rule: MemberRule, members: readonly Member[]): boolean {
  return rule.kind === 'default' && members.some(({ name }) => rule.unless?.includes(name) === true)
}

/** What a rule adds where there is no member of its name; undefined: nothing. */
function jsonOf(rule: Exclude<MemberRule, { kind: 'drop' }>): string | undefined {
  if (rule.kind !== 'within') return rule.json
  const members = rule.rules.flatMap((each) => {
    const json = each.kind === 'drop' ? undefined : jsonOf(each)
    return json === undefined ? [] : [`${JSON.stringify(each.name)}:${json}`]
  })
  return members.length === 0 ? undefined : `{${members.join(',')}}`
}

/** How many values an object that is added has by these rules. */
function countOf(rules: readonly MemberRule[]): number {
  return rules.reduce((sum, rule) => {
    if (rule.kind === 'drop') return sum
    return sum + (rule.kind === 'within' ? countOf(rule.rules) : 1)
  }, 0)
}

function sets(rule: MemberRule): boolean {
  return rule.kind === 'within' ? rule.rules.some(sets) : rule.kind === 'set'
}
