// `${NAME}` without quotes within { } or [ ], where YAML takes its brace for one of its own: one mistake, after which the
// parser reports everything that follows.
import type { PathProblem, Position } from './problems.ts'

/**
 * The problems, and the text with plain words of the same lengths in place of the variables, so that anything else that is
 * wrong shows at its position.
 *
 * @param errors of the parser.
 */
export function unquotedVariables(
  text: string,
  errors: readonly { readonly pos: readonly [start: number, end: number] }[],
  positionAt: (offset: number) => Position,
): { problems: PathProblem[]; mended: string } {
  const problems: PathProblem[] = []
  if (!errors.some(({ pos: [offset] }) => text.startsWith('${', offset - 1)))
    return { problems, mended: text }
  const mended = text.replace(unquoted, (variable, name: string, offset: number) => {
    const before = text.slice(Math.max(0, offset - maxDistance), offset)
    const isWhole = /[\s:[,]$/.test(before) && /^[\s,\]}]/.test(text.slice(offset + variable.length))
    const key = /\b(api_key|env)["']?:\s{1,9}$/.exec(before)?.[1]
    const quotes = isWhole ? `write "${variable}"` : 'put the whole text in quotes'
    problems.push({
      path: [],
      message: `${variable} must be in quotes here`,
      hint: key === undefined ? quotes : `write ${key === 'env' ? name : `{ env: ${name} }`}`,
      position: positionAt(offset),
    })
    return '_'.repeat(variable.length)
  })
  return { problems, mended }
}

/** How far back the bracket, brace or comma is searched for: files are as long as their writer likes. */
const maxDistance = 200

const unquoted = new RegExp(`(?<=[{[,][^"'#{}[\\],]{0,${maxDistance}})\\$\\{([A-Za-z_][A-Za-z0-9_]*)\\}`, 'g')
