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
