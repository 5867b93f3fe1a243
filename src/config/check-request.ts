// `models.NAME.request`: members that decide what a call is, and rules that are in each other's way.
import { foldName } from '../bytes/json/fold-name.ts'
import { quoted, type Path, type PathProblem } from './problems.ts'
import type { RawConfig, RawModel } from './raw.ts'
import { namesIn } from './resolve-request.ts'

/** Routing, limits and the form of the response depend on them, or they are the conversation itself. */
const guarded: ReadonlySet<string> = new Set([
  'input',
  'instructions',
  'messages',
  'model',
  'prompt',
  'stream',
  'stream_options',
  'system',
  'tools',
])

export function* requestProblems(raw: RawConfig): Generator<PathProblem> {
  for (const [name, { request }] of Object.entries(raw.models ?? {})) {
    if (request !== undefined) yield* problemsOf(request, ['models', name, 'request'])
  }
}

function* problemsOf(request: NonNullable<RawModel['request']>, path: Path): Generator<PathProblem> {
  const seen: { readonly member: string; readonly names: readonly string[] }[] = []
  for (const { member, value, path: below } of membersOf(request)) {
    const at = { path: [...path, ...below], at: 'key' as const }
    const names = namesIn(member)
    const [root = ''] = names
    if (guarded.has(foldName(root))) {
      const hint = 'the model, the prompt, its tools and the form of the response are up to the client'
      yield { ...at, message: `${quoted(root)} cannot be changed`, hint }
    } else if (member.startsWith('/') && /~(?![01])/.test(member)) {
      yield {
        ...at,
        message: `${quoted(member)} is not a JSON pointer`,
        hint: 'write ~ in a name as ~0, and / as ~1',
      }
    } else if (!isJson(value)) {
      yield {
        ...at,
        message: `the value of ${quoted(member)} cannot be written as JSON`,
        hint: 'use a finite number',
      }
    }
    const other = seen.find((each) => isInTheWay(each.names, names))
    if (other !== undefined) {
      const message = `${quoted(member)} and ${quoted(other.member)} concern the same member`
      yield { ...at, message, hint: 'keep one of them' }
    }
    seen.push({ member, names })
  }
}

function* membersOf({
  default: usual = {},
  set = {},
  drop = [],
}: NonNullable<RawModel['request']>): Generator<{ member: string; value: unknown; path: Path }> {
  for (const [member, value] of Object.entries(usual)) yield { member, value, path: ['default', member] }
  for (const [member, value] of Object.entries(set)) yield { member, value, path: ['set', member] }
  for (const [index, member] of drop.entries()) yield { member, value: null, path: ['drop', index] }
}

/** Whether one of them leads to the other's member, or to one that holds it. */
function isInTheWay(one: readonly string[], other: readonly string[]): boolean {
  const length = Math.min(one.length, other.length)
  return one.slice(0, length).every((name, index) => name === other[index])
}

function isJson(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return typeof value !== 'bigint'
  return Object.values(value).every(isJson)
}
