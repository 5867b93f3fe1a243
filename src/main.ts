// argv → one command.
import { createProgram } from './cli/program.ts'

// A reader that has seen enough (`| head`) is no fault.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

void createProgram(process)
  .run(process.argv.slice(2))
  .then((status) => {
    process.exitCode = status
  })
