// Outlives the run that started it by a moment: kills the process groups that are left, and removes its directory.
import { rmSync } from 'node:fs'
import { killGroup } from './processes.ts'

const groups = new Set<number>()
const [directory] = process.argv.slice(2)

process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
process.on('message', (message) => {
  const { add, remove } = message as { add?: number; remove?: number }
  if (add !== undefined) groups.add(add)
  if (remove !== undefined) groups.delete(remove)
})
process.on('disconnect', () => {
  for (const group of groups) killGroup(group)
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  process.exit()
})
