from distill.cli import main

main(prog_name="python -m distill")
