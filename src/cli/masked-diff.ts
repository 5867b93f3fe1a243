// Differences of files in which keys may stand, for people to see. Which pieces are keys is decided in each whole text, by where
// they stand and what they look like, before lines are compared: a line alone does not tell what is on it.
import { isObject } from '../bytes/json/parse.ts'
import { type Range, readDocument } from '../config/document.ts'
import { maskedLines } from '../config/masked-lines.ts'
import { indexProblems } from '../config/problems.ts'
import { loadValidator } from '../config/schema/load-validator.ts'
import { secretPaths } from '../config/secret-paths.ts'
import { readPieces, type TextPieces, type TextScalar } from '../config/text-scalars.ts'
import { violations } from '../config/validate.ts'
import { tomlPieces } from './connect/toml-pieces.ts'
import { diffLines } from './diff.ts'
import { looksLikeCredential, namesCredential } from './import/credentials.ts'

/** `config`: the gateway's own. Others are settings of other programs. */
export type TextKind = 'config' | 'json-or-yaml' | 'toml'

/**
 * As `diffLines`, with everything masked that may be a key.
 * @param own what the command itself writes, as it would be alone in a file: its texts are shown in `after`.
 */
export function maskedDiff(before: string, after: string, kind: TextKind, own = ''): string[] {
  const [old, now, ours] = [before, after, own].map((text) => piecesOf(text, kind))
  const knownTexts = textsOf(old?.scalars)
  const ownTexts = textsOf(old === undefined ? [] : ours?.scalars.filter((each) => each.kind === 'string'))
  const isOwn = ({ text }: TextScalar) => ownTexts.has(text) && !knownTexts.has(text)
  const oldSecrets = old?.scalars.filter((each) => isSecret(each, kind)) ?? []
  const nowSecrets = now?.scalars.filter((each) => isSecret(each, kind) && !isOwn(each)) ?? []
  const secretTexts = textsOf([...oldSecrets, ...nowSecrets])
  const masked = (text: string, pieces: TextPieces | undefined, secrets: readonly TextScalar[]) => {
    if (pieces === undefined) return unparsedLines(text)
    // The same text elsewhere, where it does not look like one.
    const others = pieces.scalars.filter((each) => isTelling(each.text) && secretTexts.has(each.text))
    return maskedLines(text, [
      ...[...secrets, ...others].map(({ range }) => range),
      ...secretComments(text, pieces.comments),
      ...(kind === 'config' ? rangesBySchema(text) : []),
    ])
  }
  const shown = { before: masked(before, old, oldSecrets), after: masked(after, now, nowSecrets) }
  return diffLines(before, after, shown)
}

function textsOf(scalars: readonly TextScalar[] = []): Set<string> {
  return new Set(scalars.map(({ text }) => text))
}

function piecesOf(text: string, kind: TextKind): TextPieces | undefined {
  return kind === 'toml' ? tomlPieces(text) : readPieces(text)
}

function isTelling(text: string): boolean {
  return text.length >= 6
}

/** Places in which other programs keep keys under names of any kind. */
const holders =
  /(?:^|_)(?:env|envs|environment|variables|headers?|cookies?|query|params|args|arguments|command)$/i
const maxPlainLength = 300

function isSecret({ keys, kind, previous, siblings, text }: TextScalar, of: TextKind): boolean {
  if (looksLikeCredential(text)) return true
  if (kind === 'key' || text === '' || ['true', 'false', 'null'].includes(text)) return false
  if (text.includes('\n') || text.length > maxPlainLength) return true
  if (of === 'config') {
    // The schema knows the rest, and many of its own keys have a word like `keys` or `secrets`.
    const own = keys.at(-1) ?? ''
    const isNamed = namesCredential(own) && (kind === 'string' || /[A-Z]/.test(own))
    if (isNamed && !(siblings !== undefined && isReference(siblings, text))) return true
  } else {
    const names = keys.map((key) => key.replaceAll(/([a-z\d])([A-Z])/g, '$1_$2').replaceAll('-', '_'))
    if (names.some((name) => namesCredential(name) || holders.test(name))) return true
  }
  return (
    previous !== undefined && /^--?[\w-]+$/.test(previous) && namesCredential(previous.replace(/^-+/, ''))
  )
}

/** Whether it is a part of a reference to a secret, which names its place only. */
function isReference(siblings: readonly string[], text: string): boolean {
  const sources = ['credential', 'file', 'env', 'secret', 'optional']
  return siblings.every((key) => sources.includes(key)) && /^(?:[A-Za-z_][\w.-]*|~?\/.*)$/.test(text)
}

/** What the schema of the configuration knows as the place of a secret, and what it does not know. */
function rangesBySchema(text: string): Range[] {
  const document = readDocument(text)
  if (document.kind === 'unreadable') return [[0, text.length]]
  if (!isObject(document.value)) return [...document.unread]
  const { hasProblem } = indexProblems([
    ...document.problems,
    ...violations(document.value, document.problems),
  ])
  const ranges = [...secretPaths(loadValidator().configSchema, document.value, hasProblem)].map(
    document.rangeOf,
  )
  return [...document.unread, ...ranges.filter((range) => range !== undefined)]
}

/** Settings that were commented out are settings: from the first that names a key, or has one, to the end of its block. */
function secretComments(text: string, comments: readonly Range[]): Range[] {
  const secret: Range[] = []
  let hiddenUntil = -1
  for (const [start, end] of comments) {
    const isNext = hiddenUntil >= 0 && /^\r?\n[ \t]*$/.test(text.slice(hiddenUntil, start))
    if (!isNext && !mayHoldKey(text.slice(start, end))) continue
    secret.push([start + 1, end])
    hiddenUntil = end
  }
  return secret
}

function mayHoldKey(comment: string): boolean {
  if (looksLikeCredential(comment)) return true
  return [...comment.matchAll(/([\w.-]{1,64})["']?\s*[:=]/g)].some(([, name = '']) => namesCredential(name))
}

/** Of a text whose structure is not known nothing is shown but its shape: any piece may belong to a key. */
function unparsedLines(text: string): string[] {
  return text.replaceAll(/\S/g, '*').split('\n')
}
