from pathlib import Path
from conftest import *
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="28" viewBox="0 0 120 28"><circle cx="14" cy="14" r="13" fill="#f6c700"/><text x="34" y="20" font-family="sans-serif" font-size="16" fill="#ffffff">FB 02</text></svg>'
def test_try(hub, person):
    (hub.courses.parent/"logo.svg").write_text(SVG)
    hub.wear(title="Physik-Hub <b>x</b>", logo="logo.svg", colours={"bar":"#003366","button":"#c8102e"}, announcement={"text":"Maintenance on Friday, 18:00 to 20:00:\nservers stop. <script>document.title='x'</script>","level":"warning"}, login_announcement={"text":"Use your university account."})
    person.opens("/hub/login"); person.picture("login"); print(person.complaints())
    person.sized(PHONE); person.picture("login-phone"); print(person.fits()); person.sized(DESKTOP)
    person.logs_in("alice"); print(person.driver.current_url, person.complaints()); person.picture("spawn")
    person.sized(PHONE); person.picture("spawn-phone"); print(person.fits()); 
    person.one(".navbar-toggler").click(); person.one("#logout"); 
    import time; time.sleep(1)
    person.picture("spawn-phone-menu"); person.sized(DESKTOP)
    person.prefers("dark"); person.opens("/hub/home"); person.picture("home-dark"); print(person.complaints())
    person.opens("/hub/nothing"); person.picture("404"); print(person.complaints())
