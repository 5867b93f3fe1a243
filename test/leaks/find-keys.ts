// node test/leaks/find-keys.ts FOLDER: fails when a file below it holds a key of the test suites in any shape. CI runs it
// over what the suites printed and what they left behind.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { findKey } from '../support/key-forms.ts'
import { knownKeys } from './known-keys.ts'

const folder = process.argv[2]
if (folder === undefined) throw new Error('which folder?')
const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
const finds: string[] = []
for (const { parentPath, name } of files) {
  const text = readFileSync(join(parentPath, name), 'latin1')
  for (const key of knownKeys) {
    for (const form of findKey(text, key))
      finds.push(`${join(parentPath, name)}: ${form} (${key.slice(0, 3)}…)`)
  }
}
process.stdout.write(`looked for ${knownKeys.length} keys in ${files.length} files: ${finds.length} found\n`)
for (const find of finds) process.stdout.write(`- ${find}\n`)
process.exitCode = finds.length > 0 || files.length === 0 ? 1 : 0
