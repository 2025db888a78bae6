from faq_app.accounts_cli import main

main(prog_name="python -m faq_app")
