/** The text of a shell script that `String.raw` wrote, in which the shell's `${` stands as `\\${`. */
export function unescaped(script: string): string {
  return script.replaceAll('\\${', () => '${')
}
