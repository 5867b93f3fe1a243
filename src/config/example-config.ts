// Whether a configuration file is still the shipped example: nobody's choice of providers and models.
import { readFileSync } from 'node:fs'
import { packagedConfigFile } from './find.ts'

/** True for the example as packages and `systemd install` write it. They change its first comment, and whom it admits. */
export function isExampleConfig(text: string): boolean {
  return withoutVariants(text) === withoutVariants(readFileSync(packagedConfigFile(), 'utf8'))
}

/** The same for a file; false if it cannot be read. */
export function isExampleFile(path: string): boolean {
  try {
    return isExampleConfig(readFileSync(path, 'utf8'))
  } catch {
    return false
  }
}

function withoutVariants(text: string): string {
  return text.replace(/^(?:#.*\n)*/, '').replaceAll(/allowed_users: \[[^\]\n]*\] */g, 'allowed_users: [] ')
}
