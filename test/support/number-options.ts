// Command lines of which every option is a whole number: `--seed 7 --seconds 60`.
import { parseArgs } from 'node:util'

interface NumberOption {
  readonly usual: number
  readonly least: number
}

/** @throws TypeError for an option that there is not, RangeError for a value that is no number from `least` on. */
export function readNumbers<Name extends string>(
  args: readonly string[],
  options: Readonly<Record<Name, NumberOption>>,
): Record<Name, number> {
  const known = Object.entries<NumberOption>(options)
  const { values } = parseArgs({
    args: [...args],
    options: Object.fromEntries(known.map(([name]) => [name, { type: 'string' }])),
  })
  const read = known.map(([name, { usual, least }]) => {
    const text = values[name]
    return [name, typeof text === 'string' ? numberOf(name, text, least) : usual]
  })
  return Object.fromEntries(read) as Record<Name, number>
}

/** As `readNumbers`, for a program: tells what is wrong, and ends it with status 2. */
export function readNumbersOrExit<Name extends string>(
  options: Readonly<Record<Name, NumberOption>>,
): Record<Name, number> {
  try {
    return readNumbers(process.argv.slice(2), options)
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error
    const names = Object.keys(options).map((name) => `[--${name} N]`)
    process.stderr.write(`${error.message}\noptions: ${names.join(' ')}\n`)
    return process.exit(2)
  }
}

function numberOf(name: string, text: string, least: number): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(number) && number >= least) return number
  throw new RangeError(`--${name} takes a whole number from ${least} on, not ${JSON.stringify(text)}`)
}
