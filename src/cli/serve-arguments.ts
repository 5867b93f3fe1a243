// The command lines of a gateway that starts as its service does. Help, mistakes and rarer forms are left to commander, which a
// start then does not wait for.

/**
 * Reads `serve`, `serve --config FILE`, `serve -c FILE` and `serve --config=FILE`.
 * @returns undefined for any other command line.
 */
export function readServeArguments(args: readonly string[]): { readonly config?: string } | undefined {
  const [command, option, value, ...rest] = args
  if (command !== 'serve' || rest.length > 0) return undefined
  if (option === undefined) return {}
  const [, joined] = /^--config=(.+)$/s.exec(option) ?? []
  if (joined !== undefined) return value === undefined ? { config: joined } : undefined
  if (option !== '--config' && option !== '-c') return undefined
  return value === undefined || value === '' || value.startsWith('-') ? undefined : { config: value }
}
