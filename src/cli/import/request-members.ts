// Members of requests that another gateway sets, as `request` of a model. Text is carried only where it is known to be a choice
// among words, because any other text may be a credential.
import type { RawModel } from '../../config/raw.ts'
import { isObject } from '../../bytes/json/parse.ts'
import { namesCredential } from './credentials.ts'

type Requests = NonNullable<RawModel['request']>

/** Members whose text is one of a few words. */
const wordMembers = new Set([
  'reasoning_effort',
  'service_tier',
  'verbosity',
  'tool_choice',
  'type',
  'effort',
  'summary',
  'truncation',
])

const maxDepth = 4

/** Why others are left out. */
export const notHarmless =
  'a request parameter is carried only if it is a number, true, false or a known word'

/** True for a value that holds nothing but numbers, truth values and known words. */
export function isHarmless(name: string, value: unknown, depth = 0): boolean {
  if (namesCredential(name) || depth > maxDepth) return false
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value === 'boolean' || value === null) return true
  if (typeof value === 'string') return wordMembers.has(name) && /^[a-z_]{1,24}$/.test(value)
  if (Array.isArray(value)) return value.every((each) => isHarmless(name, each, depth + 1))
  return isObject(value) && Object.entries(value).every(([key, each]) => isHarmless(key, each, depth + 1))
}

/** A member's name as `request` writes it: a name that begins with a slash would be a JSON pointer. */
export function memberName(name: string): string {
  return name.startsWith('/') ? `/${pointerStep(name)}` : name
}

/** `a.b` of other programs as a JSON pointer. */
export function memberAlong(path: string): string {
  const steps = path.split('.')
  return steps.length === 1 ? memberName(path) : steps.map((step) => `/${pointerStep(step)}`).join('')
}

function pointerStep(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** Adds to what a model changes in requests. */
export function addRequest(model: RawModel, { default: usual = {}, set = {}, drop = [] }: Requests): void {
  const request = (model.request ??= {})
  if (Object.keys(usual).length > 0) request.default = { ...usual, ...request.default }
  if (Object.keys(set).length > 0) request.set = { ...request.set, ...set }
  if (drop.length > 0) request.drop = [...new Set([...(request.drop ?? []), ...drop])]
}
