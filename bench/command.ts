// What the command lines of the benches have in common.

/**
 * Runs a bench by its command line.
 * @param read throws for bad options.
 * @param run returns the exit status.
 * @returns the exit status: also 0 for help, and 2 for bad options.
 */
export async function runWith<Options extends object>(
  read: () => Options | 'help',
  help: string,
  run: (options: Options) => Promise<number>,
): Promise<number> {
  let options: Options | 'help'
  try {
    options = read()
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${help}`)
    return 2
  }
  if (options === 'help') {
    process.stdout.write(help)
    return 0
  }
  return await run(options)
}

/**
 * Of an option that takes a whole number from 1 on.
 * @throws RangeError for anything else.
 */
export function countOf(option: string, text: string): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(`--${option} takes a whole number from 1 on, and got ${JSON.stringify(text)}`)
  }
  return count
}

/**
 * Of an option that takes names with commas between them; undefined if it is not given.
 * @throws RangeError for a name that is not known.
 */
export function namesOf(
  option: string,
  text: string | undefined,
  known: readonly string[],
): readonly string[] | undefined {
  const names = text?.split(',').map((name) => name.trim().toLowerCase())
  const stranger = names?.find((name) => !known.includes(name))
  if (stranger === undefined) return names
  throw new RangeError(`--${option} knows no ${JSON.stringify(stranger)}; there are: ${known.join(', ')}`)
}
