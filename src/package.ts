// Where the package's own files lie: one folder up from the sources, and from what is built of them.
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @param path from the package's root: `config/llm-gateway.yaml`. */
export function packagePath(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url))
}

/** What Node runs: this program. */
export function mainPath(): string {
  return fileURLToPath(new URL(`./main${extname(import.meta.url)}`, import.meta.url))
}
