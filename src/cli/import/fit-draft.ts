// Leaves out of a draft what our own checks refuse, until nothing is left to refuse.
import type { Path, PathProblem } from '../../config/problems.ts'
import { textProblems } from '../../config/text-problems.ts'
import { writeCommentedYaml } from '../../config/commented-yaml.ts'
import type { Draft, Note } from './draft.ts'
import { looksLikeCredential } from './credentials.ts'

/** Each round removes something, and what it removes may be what something else refers to. */
const maxRounds = 40

/** @returns what is still refused: nothing, unless the whole cannot be mended. */
export function fitDraft(draft: Draft, machine: Machine): readonly PathProblem[] {
  const problems = fit(draft, machine)
  const isGone = ({ kind, to }: Note) => kind === 'carried' && to !== undefined && !exists(draft.config, to)
  draft.notes = draft.notes.filter((note) => !isGone(note))
  return problems
}

interface Machine {
  readonly env: NodeJS.ProcessEnv
  readonly hasServiceManager: boolean
}

function exists(root: object, path: Path): boolean {
  let holder: unknown = root
  for (const step of path) {
    if (typeof holder !== 'object' || holder === null || !Object.hasOwn(holder, step)) return false
    holder = (holder as Container)[step]
  }
  return true
}

function fit(draft: Draft, machine: Machine): readonly PathProblem[] {
  removeCredentials(draft)
  let problems: readonly PathProblem[] = []
  for (let round = 0; round < maxRounds; round += 1) {
    removeEmpty(draft)
    const { text } = writeCommentedYaml(draft.config, [], { head: [], tail: [] })
    problems = textProblems(text, machine)
    if (problems.length === 0) return []
    let hasRemoved = false
    // From behind, so that indexes of lists stay right.
    for (const problem of sortedFromBehind(problems)) {
      const path = removable(problem.path)
      if (!remove(draft.config, path)) continue
      hasRemoved = true
      draft.notes.push({ kind: 'left_out', from: [], to: path.slice(0, 2), text: reasonOf(path, problem) })
    }
    if (!hasRemoved) return problems
  }
  return problems
}

/** Words of the check without what it quotes from the file. */
function reasonOf(path: Path, { message, hint = '' }: PathProblem): string {
  const keys = path
    .slice(2)
    .filter((step) => typeof step === 'string')
    .join('.')
  const plain = (text: string) =>
    text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '…').replaceAll(/https?:\/\/\S+/g, '…')
  // A list of names says nothing without them.
  const advice = hint === '' || /…, …/.test(plain(hint)) ? '' : ` (${plain(hint)})`
  return `${keys === '' ? 'it' : keys} is refused by validate-config: ${plain(message)}${advice}`
}

/** What has to go for the value at a path to go: a provider cannot be without its address, nor a target without its provider. */
function removable(path: Path): Path {
  const [section, , key, index] = path
  if (section === 'providers') {
    if (path.length === 3 && (key === 'base_url' || key === 'kind')) return path.slice(0, 2)
    if (key === 'service' || key === 'api_key') return path.slice(0, 3)
  }
  if (section === 'services' && path[1] === 'groups') return path.slice(0, 3)
  if (section === 'models') {
    if (key === 'provider' || key === 'model' || key === 'use') return path.slice(0, 2)
    if ((key === 'targets' || key === 'when') && index !== undefined) return path.slice(0, 4)
  }
  return path
}

function sortedFromBehind(problems: readonly PathProblem[]): readonly PathProblem[] {
  const indexes = ({ path }: PathProblem) => path.filter((step) => typeof step === 'number')
  return problems.toSorted((one, other) => {
    const [a, b] = [indexes(one), indexes(other)]
    const at = a.findIndex((index, position) => index !== b[position])
    return at < 0 ? 0 : (b[at] ?? -1) - a[at]!
  })
}

type Container = Record<string | number, unknown>

function remove(root: object, path: Path): boolean {
  let holder = root as Container
  for (const step of path.slice(0, -1)) {
    if (!Object.hasOwn(holder, step)) return false
    const inner = holder[step]
    if (typeof inner !== 'object' || inner === null) return false
    holder = inner as Container
  }
  const last = path.at(-1)
  if (last === undefined || !Object.hasOwn(holder, last)) return false
  if (Array.isArray(holder)) holder.splice(Number(last), 1)
  else delete holder[last]
  return true
}

/** Lists and mappings that have become empty, and models without a target. */
function removeEmpty(draft: Draft): void {
  const models = (draft.config as Partial<typeof draft.config>).models ?? {}
  for (const [name, model] of Object.entries(models)) {
    for (const key of ['targets', 'fallbacks', 'aliases', 'when'] as const) {
      if (model[key]?.length === 0) delete model[key]
    }
    if (model.request !== undefined) {
      for (const key of ['default', 'set', 'drop'] as const) {
        if (Object.keys(model.request[key] ?? {}).length === 0) delete model.request[key]
      }
      if (Object.keys(model.request).length === 0) delete model.request
    }
    if (model.targets === undefined && model.provider === undefined && model.use === undefined) {
      delete models[name]
    }
  }
  const { config } = draft
  for (const [name, limits] of Object.entries(config.rate_limit_settings?.limits ?? {})) {
    if (!Object.hasOwn(models, name) || Object.keys(limits).length === 0) {
      delete config.rate_limit_settings!.limits![name]
    }
  }
  if (Object.keys(config.rate_limit_settings?.limits ?? { none: 1 }).length === 0)
    delete config.rate_limit_settings!.limits
  for (const key of ['rate_limit_settings', 'server', 'access', 'routing', 'budgets', 'services'] as const) {
    if (config[key] !== undefined && Object.keys(config[key]).length === 0) delete config[key]
  }
  if (Object.keys(models).length === 0) delete (config as Partial<typeof config>).models
}

/** Whatever repeats a literal credential of the source or has the form of one, wherever it stands. */
function removeCredentials(draft: Draft): void {
  const holds = (text: string) => looksLikeCredential(text) || draft.withheld.isIn(text)
  const note = (gone: Path, place = '') => {
    const isNamed = gone.every((step) => typeof step === 'number' || !holds(step))
    draft.notes.push({
      kind: 'left_out',
      from: [],
      ...(isNamed && { to: gone.slice(0, 2) }),
      text: `${place}a text that is or looks like a credential, which is never copied`,
    })
  }
  const leave = (path: Path) => {
    const gone = removable(path)
    if (!remove(draft.config, gone)) return
    note(gone)
  }
  for (const path of [...pathsOf(draft.config, holds)].toReversed()) leave(path)
  for (const [name, service] of draft.services) {
    if (!holds(name) && pathsOf(service, holds).next().done === true) continue
    draft.services.delete(name)
    note(['providers', name, 'service'], 'the command of its server has ')
  }
  for (const name of Object.keys(draft.groups)) {
    if (!holds(name)) continue
    delete draft.groups[name]
    note(['services', 'groups', name], 'a group has ')
  }
}

/** Of keys and texts that a test picks. */
function* pathsOf(value: unknown, picks: (text: string) => boolean, path: Path = []): Generator<Path> {
  if (typeof value === 'string' && picks(value)) yield path
  if (typeof value !== 'object' || value === null) return
  const isList = Array.isArray(value)
  for (const [key, member] of Object.entries(value)) {
    const at = [...path, isList ? Number(key) : key]
    if (!isList && picks(key)) yield at
    else yield* pathsOf(member, picks, at)
  }
}
